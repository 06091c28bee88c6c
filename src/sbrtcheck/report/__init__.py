"""A verdict or an error as text or JSON: value in, text out. Only this room makes words."""
