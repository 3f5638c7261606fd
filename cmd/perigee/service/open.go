package service

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// openPage opens the page in a browser, which may outlive the server.
func (s *service) openPage(ctx context.Context) {
	if !s.status.HasPage {
		s.log.Warn("service: no page to open: create a directory \"public\" beside the manager of the application")
		return
	}
	command := browserCommand(s.options.Browser, s.status.Page)
	browser := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	browser.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "SERVER_") // a setting, possibly the key
	})
	browser.SysProcAttr = detached() // Ctrl-C must not end the browser
	err := browser.Start()
	if err == nil {
		ended := make(chan error, 1)
		go func() { ended <- browser.Wait() }() // ends with the browser or with this process
		select {
		case err = <-ended:
		case <-ctx.Done():
		}
	}
	if err != nil {
		s.log.Warn("service: the browser could not open the page", "page", s.status.Page, "browser", command[0], "error", err)
	}
}

// browserCommand returns the command that shows a page: browser, or that of the system if browser is "".
func browserCommand(browser, page string) []string {
	browser, _, _ = strings.Cut(browser, ":") // the first of a list
	switch {
	case browser != "":
		return []string{browser, page}
	case runtime.GOOS == "darwin":
		return []string{"open", page}
	case runtime.GOOS == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", page}
	}
	return []string{"xdg-open", page}
}
