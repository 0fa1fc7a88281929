"""What a compiled folder says of itself: report.json, and report.html, the same as a page to read."""
