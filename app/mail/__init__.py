"""Mail: written with the transaction that causes it, sent after it, seen in the mailbox page."""
