"""Pure numpy: geometry, head coverage and synthetic head CT."""
