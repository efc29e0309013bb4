"""Which of all anomaly-free models survive: every coupling pattern, every kinetic mixing."""
