"""What the guard costs, measured beside what it stands among: `poe bench`."""
