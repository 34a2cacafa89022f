"""What to say."""


def part_of_day(hour):
    """morning, afternoon or evening for an hour from 0 to 23."""
    return "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"


def greet(name, hour):
    """A greeting for a name and an hour."""
    return f"Good {part_of_day(hour)}, {name or 'whoever you are'}!"
