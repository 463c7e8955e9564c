"""What people read of records: pictures, the page, the regression check. Never imports torch."""
