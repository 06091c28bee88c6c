"""Many plans: find them, judge each as one is judged alone, and write tables of all."""
