package supervisor

func beDaemon(string) int { return 1 }
