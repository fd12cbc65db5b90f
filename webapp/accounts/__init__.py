"""Who may do what: accounts that sign in, projects (tenants) and their members, API keys."""
