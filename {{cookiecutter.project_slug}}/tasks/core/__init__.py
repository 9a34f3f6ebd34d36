"""What the tasks are made of; knows nothing of Invoke. Each module is the door to one outside system."""
