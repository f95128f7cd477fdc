"""Bad inputs, faults and laws: what the guard must withstand."""
