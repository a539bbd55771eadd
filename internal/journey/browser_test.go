package journey

import (
	"context"
	"errors"
	"os/exec"
	"sync"

	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests. Each test has a profile of its own in it, with its own cookies.
type chromium struct {
	once   sync.Once
	ctx    context.Context // of chromedp; nil until the first test needs it
	cancel context.CancelFunc
	err    error
}

var theBrowser chromium

// browserPath is where Chromium is; empty when it is not installed.
func browserPath() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// start starts Chromium the first time and returns its context.
func (b *chromium) start() (context.Context, error) {
	b.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(browserPath()),
			chromedp.NoSandbox, // it cannot have one as root, and sees nothing but our own pages
			chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("lang", "en"),
		)
		ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
		b.ctx, _ = chromedp.NewContext(ctx)
		b.cancel = stop
		b.err = chromedp.Do(b.ctx)
	})
	return b.ctx, b.err
}

// close ends Chromium and waits for that.
func (b *chromium) close() error {
	if b.ctx == nil {
		return nil
	}
	defer b.cancel()
	bounded, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Cancel(bounded); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
