// Package journey has no code of its own: its tests build upkeep, start it as a host would, and look after real
// programs with a real browser, as a customer does. They are the last word on whether the parts fit together; what
// one part does by itself is tested beside it.
//
// The tests need Chromium and perl, and say so where one is missing. With UPKEEP_SCREENSHOTS=DIR they also write a
// picture of every page into that folder, for the documentation.
package journey
