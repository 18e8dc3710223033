"""Child processes: started, spoken to in framed JSON under a time limit, killed when they hang.

`process` is the parent's side and `child` the other one; both serve any kind of work. The rest puts
environments into such processes.
"""
