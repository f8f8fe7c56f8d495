"""Who did what to which row, before and after."""
