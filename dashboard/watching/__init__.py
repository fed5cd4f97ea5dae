"""Runs, trainings and folders of pictures as they are now, looked at every few seconds by one thread for all browsers."""
