"""Figures: functions that take tables and draw them. `style` holds what all of them share."""
