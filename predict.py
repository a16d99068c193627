"""The trained models on your own recordings: `python predict.py talk.mp3 interviews/ '*.wav'`."""

from speech.inference.command_line import start

if __name__ == "__main__":
    start()
