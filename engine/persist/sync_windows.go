package persist

// syncDirectory does nothing: Windows cannot sync a directory, and writes its entries with the next sync of a file.
func syncDirectory(string) error { return nil }
