"""What requests and answers of every interface share."""
