"""Who wins: what policies come to, their flat parts by one rule, the one ranking, what is
recommended."""
