"""Figures: functions that take tables and draw them. `style` holds what all of them share."""

# How the words of a figure begin that has nothing in it (`style.nothing`): the report says them in its place.
NOTHING = "Nothing to draw"
