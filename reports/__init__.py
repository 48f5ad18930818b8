"""Pure rendering: facts to Markdown, charts and tables; knows no Prefect, stores or settings."""
