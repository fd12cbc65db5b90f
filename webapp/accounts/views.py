"""Signing in, the list of projects, a project's overview, and its API keys."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts import selectors, services
from webapp.accounts.console import account_of, address_of, project_page
from webapp.accounts.forms import ApiKeyForm, ProjectForm, SignInForm
from webapp.accounts.models import Project
from webapp.accounts.overview import overview_of
from webapp.audit.acting import act_as_account
from webapp.compat.personalize.keys import access_key_id, secret_access_key
from webapp.core.errors import AppError


class SignIn(auth_views.LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        answer.status_code = 429 if getattr(form, "is_throttled", False) else 400
        return answer


sign_in = SignIn.as_view()
sign_out = auth_views.LogoutView.as_view()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        act_as_account(account.get_username(), address_of(request))
        try:
            project = services.project_create(**form.cleaned_data, account=account)
        except AppError as error:
            form.add_error("slug", error.message)
        else:
            messages.success(
                request, f"Project {project.name} is there. The checklist below leads to its first answer."
            )
            return redirect("overview", project.slug)
    context = {"projects": selectors.projects_of(account=account), "form": form}
    return render(request, "accounts/home.html", context, status=400 if form.errors else 200)


@require_GET
@project_page
def overview(request: HttpRequest, project: Project) -> HttpResponse:
    context = {"project": project, "page": "overview", "overview": overview_of(project=project)}
    return render(request, "accounts/overview.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def api_keys(request: HttpRequest, project: Project) -> HttpResponse:
    form = ApiKeyForm(request.POST or None)
    secret, signing = None, None
    if request.method == "POST" and form.is_valid():
        made, secret = services.api_key_create(
            project=project, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"]
        )
        signing = {"access_key_id": access_key_id(made), "secret_access_key": secret_access_key(made)}
        form = ApiKeyForm()
    context = {
        "project": project,
        "page": "api_keys",
        "form": form,
        "secret": secret,
        "signing": signing,
        "keys": selectors.api_keys_of(project=project),
    }
    return render(request, "accounts/api_keys.html", context, status=400 if form.errors else 200)


@require_POST
@project_page
def api_key_revoke(request: HttpRequest, project: Project, key_id: int) -> HttpResponse:
    key = selectors.api_key_get(project=project, key_id=key_id)
    services.api_key_revoke(api_key=key)
    messages.success(request, f"Key {key.name} no longer works.")
    return redirect("api_keys", project.slug)
