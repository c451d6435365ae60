//! The rules of the fleet: every record, command, event and rejection, and what agrees with what.
