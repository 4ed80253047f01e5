"""Tests of LEAF to Home."""
