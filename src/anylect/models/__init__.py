"""What turns waveforms into emissions."""
