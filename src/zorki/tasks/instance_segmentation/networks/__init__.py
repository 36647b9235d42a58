"""What several networks for instance masks are built of."""
