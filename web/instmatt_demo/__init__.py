"""The web demo: drop a photograph, see each person cut out. Needs ``gradio`` (``pip install ".[demo]"``).

from instmatt_demo import app, settings
app().launch(**settings())  # a Space, or a server of one's own; ``instmatt demo`` does the same on this machine
"""

from .app import app, settings
from .models import Models

__all__ = ["Models", "app", "settings"]
