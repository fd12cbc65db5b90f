"""What Freshet's commands share: finding the project, clear errors, progress for people and for logs."""
