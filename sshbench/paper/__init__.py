"""Results for papers: tables in LaTeX, Markdown, CSV and HTML, and the references of published figures."""
