"""Minutes under load, with everything going wrong now and then."""
