"""What goes on beside the user: loading, embedding, decoding, propagating, saving."""
