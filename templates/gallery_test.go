package templates

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var galleryDir = flag.String("gallery", "", "write the sample's pages as files into this folder, to look at them")

func TestGallery(t *testing.T) {
	if *galleryDir == "" {
		t.Skip("no folder was given with -gallery")
	}
	for name, page := range gallery() {
		f, err := os.Create(filepath.Join(*galleryDir, name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		if err := page.Render(t.Context(), f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
