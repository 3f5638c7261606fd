package database

import (
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// Codes of SQLite, https://www.sqlite.org/rescode.html.
const (
	sqliteError      = 1
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
)

// Errors of MySQL and MariaDB.
const (
	mysqlShutdown         = 1053
	mysqlLockWaitTimeout  = 1205
	mysqlIncorrectString  = 1366
	mysqlConnectionKilled = 1927
)

// answer is the code of an error that the database answered with: an SQLSTATE, or a number of MySQL or SQLite.
type answer struct {
	state  string
	number int
	sqlite bool
}

// answerOf returns the code of an error; ok is false if the database has not answered.
func answerOf(err error) (a answer, ok bool) {
	if e, ok := errors.AsType[*pq.Error](err); ok {
		return answer{state: string(e.Code)}, true
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return answer{state: string(e.SQLState[:]), number: int(e.Number)}, true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return answer{number: e.Code() & 0xff, sqlite: true}, true // the rest tells more of the same
	}
	return answer{}, false
}

// refused reports whether the error is about the values of one job, so that other jobs and the connection are fine.
func refused(err error) bool {
	a, ok := answerOf(err)
	switch {
	case !ok:
		return false
	case a.sqlite:
		return a.number == sqliteTooBig || a.number == sqliteConstraint || a.number == sqliteMismatch
	default: // classes 22 and 23 of SQLSTATE: data exception, integrity constraint violation
		return strings.HasPrefix(a.state, "22") || strings.HasPrefix(a.state, "23") || a.number == mysqlIncorrectString
	}
}

// collides reports whether a transaction was ended in favor of another, so that it can be tried again.
func (t *target) collides(err error) bool {
	a, ok := answerOf(err)
	switch {
	case !ok:
		return false
	case a.sqlite:
		return a.number == sqliteBusy || a.number == sqliteLocked
	default: // class 40 of SQLSTATE: transaction rollback
		return strings.HasPrefix(a.state, "40") || a.number == mysqlLockWaitTimeout
	}
}

// ended reports whether a rollback failed since the database had ended the transaction by itself, as SQLite may.
func (t *target) ended(err error) bool {
	a, ok := answerOf(err)
	return ok && a.sqlite && a.number == sqliteError
}

// unsure reports whether a statement that failed may have been executed: the database has not answered, or ended meanwhile.
func unsure(err error) bool {
	a, ok := answerOf(err)
	switch {
	case !ok:
		return true
	case a.sqlite:
		return false
	default: // classes 08 and 57 of SQLSTATE: connection exception, operator intervention
		return strings.HasPrefix(a.state, "08") || strings.HasPrefix(a.state, "57") || a.number == mysqlShutdown || a.number == mysqlConnectionKilled
	}
}
