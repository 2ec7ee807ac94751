"""Everything behind the function folders, in layers; imports point downward only.

wiring      composition root: settings -> stores -> services, built once per process
endpoint    one decorator: authentication, JSON in and out, exceptions -> documented errors
entra       bearer tokens of Microsoft Entra ID, where the settings accept them
contract    the Personalizer wire format: parse, render, error codes
storage     where it lives: Azure adapters and their in-memory twins
settings    every app setting, typed and documented
services    what the system does, one file per verb; owns the ports
learner     what the system believes: NumPy, no I/O, no clock
events      what happened: frozen data, aggregation, the join
"""
