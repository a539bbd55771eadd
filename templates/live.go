package templates

// A page whose [Page.Events] is set is kept up to date by one event stream. Each event carries the HTML of one or
// more of the fragments below, and every element at its top level takes the place of the one with the same id; the
// name of the event is the id of the fragment. The stream sends [EventNow] at least every five seconds: without it
// the page says that its data is getting old. [EventReset] makes the page load itself again.
const (
	IDServicesSummary = "services-summary"
	IDServicesTable   = "services-table"
	IDServiceHead     = "service-head"
	IDServiceFacts    = "service-facts"
	IDServiceLines    = "service-lines"
	IDServiceRuns     = "service-runs"
	IDProcessesTable  = "processes-table"

	EventNow   = "now"   // data: the server's clock as RFC 3339
	EventReset = "reset" // data: anything
)
