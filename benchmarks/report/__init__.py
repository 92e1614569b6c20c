"""The page that is written: tables, plots, and what a person has to say about them."""
