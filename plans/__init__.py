"""What is to be done and doing it: plan, preview, approval, execution, resume, holds, and finding a person across stores."""
