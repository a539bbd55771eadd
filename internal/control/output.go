package control

import (
	"context"
	"io"

	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// Credentials finds who an account's services run as.
type Credentials func(panel.Account) (privilege.Credentials, error)

// Reader reads the output of services with the rights of their account.
type Reader struct {
	logs  *logs.Logs
	creds Credentials
}

// NewReader returns a Reader.
func NewReader(l *logs.Logs, creds Credentials) *Reader { return &Reader{logs: l, creds: creds} }

// Extract returns a window of a service's output.
func (r *Reader) Extract(ctx context.Context, acct panel.Account, svc panel.Service, q panel.LogQuery) (panel.LogExtract, error) {
	src, err := r.source(acct, svc)
	if err != nil {
		return panel.LogExtract{}, err
	}
	return r.logs.Extract(ctx, src, q)
}

// OpenLog opens the whole output as it is now, and tells its size in bytes.
func (r *Reader) OpenLog(ctx context.Context, acct panel.Account, svc panel.Service) (io.ReadCloser, int64, error) {
	src, err := r.source(acct, svc)
	if err != nil {
		return nil, 0, err
	}
	return r.logs.OpenFile(ctx, src)
}

func (r *Reader) source(acct panel.Account, svc panel.Service) (logs.Source, error) {
	creds, err := r.creds(acct)
	if err != nil {
		return logs.Source{}, err
	}
	return logs.Source{Service: svc.ID, Account: acct.ID, Name: svc.Name, Home: acct.Home, Cred: creds,
		OwnUser: !acct.Shared}, nil
}
