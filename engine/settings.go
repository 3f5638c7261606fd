package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/manager"
	"perigee/engine/web"
)

// effect is what settings come down to that may change while the server runs.
type effect struct {
	manager manager.Options
	broker  broker.Options
	pages   fs.FS
}

// prepare makes of settings what they come down to, and returns everything that is wrong with them. It changes nothing. What
// is allowed, but not good, goes to log.
func (s *Server) prepare(c config.Config, log *slog.Logger) (effect, error) {
	key, errKey := adminKey(c, log)
	reach, errReach := reach(c, log)
	reach.Limits = c.Limits
	pages, errPages := s.findPages(c)
	if err := errors.Join(errKey, errReach, errPages); err != nil {
		return effect{}, err
	}
	return effect{
		manager: manager.Options{Key: key, Limits: c.Limits, Roster: c.Roster, Drain: c.Lua.Drain.Std()},
		broker:  reach,
		pages:   pages,
	}, nil
}

// findPages returns the pages that the settings name: those that are served already, where they are the same.
func (s *Server) findPages(c config.Config) (fs.FS, error) {
	now := s.config
	if s.pages != nil && c.Server.Public == now.Server.Public && c.Lua.Path == now.Lua.Path && c.Lua.Manager == now.Lua.Manager {
		return s.pages, nil
	}
	return pages(c, s.options.Scripts)
}

// serve has plain requests answered with these pages.
func (s *Server) serve(pages fs.FS) {
	s.pages = pages
	site := web.New(s.web(pages))
	s.site.Store(&site)
}

// web says what is served over plain HTTP.
func (s *Server) web(pages fs.FS) web.Options {
	return web.Options{
		Socket:  s.broker,
		Pages:   pages,
		Ready:   s.ready.Load,
		Queue:   func() string { return s.jobs.Status().Condition },
		Metrics: s.metrics,
		Auth:    web.Authenticator{CheckRequest: s.broker.CheckRequest, Matches: s.manager.CheckPassword},
		Commands: web.Commands{
			Runner:  s.manager,
			MaxBody: int64(s.config.Limits.ReadLimit),
			Timeout: s.config.Queue.HandlerTimeout.Std(),
		},
	}
}

// apply has settings take effect that may change while the server runs; those of the scripts have come with them.
func (s *Server) apply(c config.Config, e effect) {
	s.config, s.key = c, e.manager.Key
	s.stopTimeout.Store(int64(c.Stop.Timeout))
	s.jobs.Configure(c)
	s.manager.Configure(e.manager)
	s.broker.Configure(e.broker)
	s.serve(e.pages)
	_ = s.loop.Post("configure", func() { s.loop.SetSlowTurn(c.Lua.SlowTurn.Std()) }) // a loop that ends needs no limit
	if level := new(slog.Level); s.options.Level != nil && level.UnmarshalText([]byte(c.Server.LogLevel)) == nil {
		s.options.Level.Set(*level)
	}
}

// adminKey returns the admin key, and an error where it is one that everybody knows and others than this machine can connect.
func adminKey(settings config.Config, log *slog.Logger) (auth.Key, error) {
	c := settings.Server
	secret := string(c.Key)
	if c.KeyFile != "" {
		var err error
		if secret, err = auth.ReadKeyFile(c.KeyFile); err != nil {
			return auth.Key{}, settings.SettingError("server.key_file", err)
		}
	}
	key := auth.NewKey(secret)
	if !key.IsDefault() {
		return key, nil
	}
	kind := "shorter than 12 bytes"
	switch secret {
	case "":
		kind = "empty"
	case "password":
		kind = `the default "password"`
	}
	if !loopback(c.Address) {
		return key, fmt.Errorf("%w on %s: server.key is %s. Set SERVER_KEY (12 bytes or more) or bind to 127.0.0.1",
			ErrDefaultKey, net.JoinHostPort(c.Address, strconv.Itoa(c.Port)), kind)
	}
	log.Warn("engine: only clients on this machine can authenticate, since everybody knows the key", "setting", "server.key", "key", kind)
	return key, nil
}

// loopback tells whether only this machine reaches an address.
func loopback(address string) bool {
	ip := net.ParseIP(address)
	return address == "localhost" || ip != nil && ip.IsLoopback()
}

// reach says from where clients may come.
func reach(settings config.Config, log *slog.Logger) (broker.Options, error) {
	c := settings.Server
	origins, errOrigins := auth.ParseOrigins(c.Origins)
	hosts, errHosts := auth.ParseHosts(c.Hosts)
	proxies, errProxies := auth.ParseProxies(c.TrustedProxies)
	var faults []error
	for _, setting := range []struct {
		name string
		err  error
	}{{"server.origins", errOrigins}, {"server.hosts", errHosts}, {"server.trusted_proxies", errProxies}} {
		if setting.err != nil {
			faults = append(faults, settings.SettingError(setting.name, setting.err))
		}
	}
	if len(faults) > 0 {
		return broker.Options{}, errors.Join(faults...)
	}
	origins = origins.Behind(proxies)
	if c.RequireOrigin {
		origins = origins.Required()
	}
	if origins.Any() {
		log.Warn("engine: pages of every origin may connect", "setting", "server.origins")
	}
	return broker.Options{
		MaxConnections: c.MaxConnections,
		Origins:        origins,
		Hosts:          hosts,
		Proxies:        proxies,
	}, nil
}
