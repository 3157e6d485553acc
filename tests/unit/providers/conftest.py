"""Property tests here bound their own time; hypothesis' deadline would only measure how busy the machine is."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
