package auth

import "testing"

// A protection allows exactly the connections that it names; a forgotten one allows only admins, an unknown one none.
func TestAllows(t *testing.T) {
	const self, other = "3f1c", "9ab0"
	tests := []struct {
		protection            Protection
		none, owner, notMe    bool // not an admin: naming no connection, itself, another one
		adminOwner, adminElse bool
	}{
		{None, true, true, true, true, true},
		{Client, false, true, false, true, true},
		{Admin, false, false, false, true, true},
		{Protection(0), false, false, false, true, true},
		{Protection(-1), false, false, false, false, false},
		{Protection(3), false, false, false, false, false},
	}
	for _, test := range tests {
		p := test.protection
		got := []bool{
			p.Allows(false, self, ""), p.Allows(false, self, self), p.Allows(false, self, other),
			p.Allows(true, self, self), p.Allows(true, self, other),
		}
		want := []bool{test.none, test.owner, test.notMe, test.adminOwner, test.adminElse}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%v: case %d allowed = %v, want %v", p, i, got[i], want[i])
			}
		}
	}
	if Client.Allows(false, "", "") {
		t.Error("a connection without UUID owns a message that names none, want refused")
	}
}

// Every protection is parsed from its word, and other words are refused.
func TestParseProtection(t *testing.T) {
	for _, p := range []Protection{Admin, Client, None} {
		if got, err := ParseProtection(p.String()); got != p || err != nil {
			t.Errorf("ParseProtection(%q) = %v, %v, want %v", p.String(), got, err, p)
		}
	}
	for _, word := range []string{"", "Admin", "admins", "0", "public", "protection 3", " none"} {
		if got, err := ParseProtection(word); got != Admin || err == nil {
			t.Errorf("ParseProtection(%q) = %v, %v, want admin and an error", word, got, err)
		}
	}
}
