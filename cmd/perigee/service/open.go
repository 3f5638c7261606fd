package service

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// open shows the page to whoever sits at this machine. The browser may outlive the server.
func (s *service) open(ctx context.Context) {
	if !s.status.HasPage {
		s.log.Warn("service: the application has no page to open: a folder \"public\" beside its manager would be one")
		return
	}
	command := opener(s.options.Browser, s.status.Page)
	browser := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	browser.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "SERVER_") // a setting, perhaps the key
	})
	browser.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the server
	err := browser.Start()
	if err == nil {
		ended := make(chan error, 1)
		go func() { ended <- browser.Wait() }() // nobody waits for it: it ends with the browser, or with this process
		select {
		case err = <-ended:
		case <-ctx.Done():
		}
	}
	if err != nil {
		s.log.Warn("service: no browser has opened the page", "page", s.status.Page, "browser", command[0], "error", err)
	}
}

// opener is the command that shows a page: the browser that the environment names, or what the system has for it.
func opener(browser, page string) []string {
	browser, _, _ = strings.Cut(browser, ":") // the first of a list
	switch {
	case browser != "":
		return []string{browser, page}
	case runtime.GOOS == "darwin":
		return []string{"open", page}
	}
	return []string{"xdg-open", page}
}
