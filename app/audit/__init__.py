"""Who did what to which row, before and after. Written beside the deed, never changed."""
