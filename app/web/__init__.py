"""The browser door: pages for merchants and for operators."""
