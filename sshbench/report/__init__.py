"""Reports: runs become curves, tables and pictures on one page."""
