"""The page: a static site rendered from templates, the server's limits and the model cards."""
