"""Reads of user tasks for people: the query language, saved filters, snoozed tasks, proposals, drafts and comments."""
