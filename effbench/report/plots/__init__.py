"""Every picture that is drawn with matplotlib."""
