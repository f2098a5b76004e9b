"""E2E-HIM: all people of a picture in one pass; no detector."""
