"""Generated from proto/sidegate/authz/v1; `make proto` writes it again."""
