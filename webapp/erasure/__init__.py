"""Users and items erased, and the receipts of what was."""
