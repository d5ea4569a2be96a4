"""Messages to other servers: queued in the transaction of what they tell, sent in the background.

Each is sent at least once, in order for each recipient.
"""
